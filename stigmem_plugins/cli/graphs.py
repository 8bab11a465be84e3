"""Pipelines as text for programs that draw graphs: Graphviz's DOT, and Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from attrs import frozen

from stigmem_plugins.cli.output import printable
from stigmem_plugins.cli.pipelines import FIRST, Pipeline

OWN: Final = "the node's own"
_PLAIN: Final = frozenset(" _.,:()-'")
"""What stands for itself in Mermaid, besides letters and digits."""


@frozen
class _Node:
    """What is drawn for a handler, or for the node's own, of which nothing is known."""

    name: str
    lines: tuple[str, ...]
    is_open: bool = False


def dot(pipelines: Iterable[Pipeline]) -> str:
    r"""Pipelines in the DOT language, a cluster for each hook.

    Example:
        >>> from stigmem_plugins import HOOK_SPECS
        >>> print(dot([Pipeline(HOOK_SPECS["recall_filter"], ())]))
        digraph pipelines {
          rankdir=LR;
          node [shape=box];
          subgraph cluster_0 {
            label="recall_filter, filter_chain, plugins_first";
            h0_0 [label="the node's own", style=dashed];
          }
        }
    """
    lines = ["digraph pipelines {", "  rankdir=LR;", "  node [shape=box];"]
    for number, pipeline in enumerate(pipelines):
        nodes = _nodes(number, pipeline)
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(pipeline.title)};"]
        for node in nodes:
            style = ", style=dashed" if node.is_open else ""
            lines.append(f"    {node.name} [label={_quoted(*node.lines)}{style}];")
        lines += [f"    {edge};" for edge in _edges(nodes, "->")]
        lines.append("  }")
    return "\n".join([*lines, "}"])


def mermaid(pipelines: Iterable[Pipeline]) -> str:
    """Pipelines as a Mermaid flowchart, a subgraph for each hook.

    Example:
        >>> from stigmem_plugins import HOOK_SPECS
        >>> print(mermaid([Pipeline(HOOK_SPECS["recall_filter"], ())]))
        flowchart LR
          classDef own stroke-dasharray: 4
          subgraph s0["recall_filter, filter_chain, plugins_first"]
            h0_0["the node's own"]:::own
          end
    """
    lines = ["flowchart LR", "  classDef own stroke-dasharray: 4"]
    for number, pipeline in enumerate(pipelines):
        nodes = _nodes(number, pipeline)
        lines.append(f'  subgraph s{number}["{_entities(pipeline.title)}"]')
        for node in nodes:
            text = "<br/>".join(map(_entities, node.lines))
            lines.append(f'    {node.name}["{text}"]{":::own" if node.is_open else ""}')
        lines += [f"    {edge}" for edge in _edges(nodes, "-->")]
        lines.append("  end")
    return "\n".join(lines)


def _nodes(number: int, pipeline: Pipeline) -> list[_Node]:
    own = [((OWN,), True)] if pipeline.core_is_open else []
    steps = [((step.handler, step.why), False) for step in pipeline.steps]
    drawn = [*own, *steps] if pipeline.core_stands == FIRST else [*steps, *own]
    return [_Node(f"h{number}_{n}", *each) for n, each in enumerate(drawn)]


def _edges(nodes: Sequence[_Node], arrow: str) -> Iterator[str]:
    return (f"{one.name} {arrow} {other.name}" for one, other in pairwise(nodes))


def _quoted(*lines: str) -> str:
    r"""Lines as one DOT string.

    Example:
        >>> print(_quoted('a "b"', "\\N & &lt;"))
        "a \"b\"\n\\N &amp; &amp;lt;"
    """
    safe = [printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(line.replace("&", "&amp;") for line in safe) + '"'


def _entities(text: str) -> str:
    """Text in which nothing but words stands for itself, for within Mermaid's quotes.

    Example:
        >>> _entities('zeta.<lambda> "x"')
        'zeta.#60;lambda#62; #34;x#34;'
    """
    kept = (c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in printable(text))
    return "".join(kept)
