"""Where the example hosts keep facts: one SQLite file, changed by migrations alone."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from stigmem_plugins import Migration, PluginMigrationError

Fact = dict[str, Any]

OWN_MIGRATIONS = (
    Migration(
        "core",
        1,
        "CREATE TABLE facts (number INTEGER PRIMARY KEY, tenant TEXT, source TEXT, entity TEXT, "
        "relation TEXT, value TEXT, confidence REAL, scope TEXT)",
        "facts",
    ),
)
LEDGER = "CREATE TABLE IF NOT EXISTS migrations (plugin TEXT, id INTEGER, digest TEXT)"
FACT = "'fact-' || number AS id, source, entity, relation, value, confidence, scope"
COLUMNS = ("source", "entity", "relation", "value", "confidence", "scope")


class Store:
    """Facts by tenant."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = RLock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is done within, or nothing of it."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def migrate(self, migrations: Iterable[Migration]) -> None:
        """Run those for SQLite that have not run yet, in one transaction, and remember them."""
        with self.transaction():
            self._database.execute(LEDGER)
            ran = {
                (plugin, number): digest
                for plugin, number, digest in self._database.execute("SELECT * FROM migrations")
            }
            for each in migrations:
                if each.backend != "sqlite":
                    continue
                key, digest = (each.plugin_name, each.migration_id), _digest(each.sql)
                if key not in ran:
                    for statement in _statements(each.sql):
                        self._database.execute(statement)
                    self._database.execute(
                        "INSERT INTO migrations VALUES (?, ?, ?)", (*key, digest)
                    )
                elif ran[key] != digest:
                    message = f"checksum mismatch: migration {each.migration_id} has run otherwise"
                    fix = "install the version that it ran with, and add a migration there"
                    raise PluginMigrationError(message, plugin=each.plugin_name, fix=fix)

    def add(self, tenant: str, fact: Fact) -> Fact:
        """Keep a fact; returns it with its id."""
        values = [tenant, *(fact.get(column) for column in COLUMNS)]
        with self._lock:
            added = self._database.execute(
                "INSERT INTO facts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", values
            )
            return self.select(tenant, number=added.lastrowid)[0]

    def select(self, tenant: str, **conditions: Any) -> list[Fact]:
        """The tenant's facts that meet all conditions.

        Raises:
            KeyError: A condition is on no column.
        """
        if unknown := sorted(conditions.keys() - {"number", *COLUMNS}):
            raise KeyError(*unknown)
        where = " AND ".join(["tenant = ?", *(f"{column} = ?" for column in conditions)])
        query = f"SELECT {FACT} FROM facts WHERE {where} ORDER BY number"
        with self._lock:
            return [
                dict(row) for row in self._database.execute(query, [tenant, *conditions.values()])
            ]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


def _statements(sql: str) -> Iterator[str]:
    """One by one: `executescript` would commit the transaction that is open."""
    statement = ""
    for part in sql.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement:
        yield statement  # a comment, or what SQLite refuses, since it has no end
