"""What a fire costs, beside a bare loop and what others offer: `nox -s bench`.

Absolute times say little on another machine, or on this one a minute later. So everything is
measured in short rounds, in which each contender has its turn, and only ratios within a round
are reported.
"""
