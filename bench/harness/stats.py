# SPDX-License-Identifier: Apache-2.0
"""Turns and medians."""

from statistics import median


def by_turns(variants, rounds, measure):
    """{variant: [measure(variant) of each round]}.

    All variants have their turn in each round, and each round begins with another one: what the
    machine does meanwhile hits all of them alike.
    """
    results = {variant: [] for variant in variants}
    for turn in range(rounds):
        first = turn % len(variants)
        for variant in [*variants[first:], *variants[:first]]:
            results[variant].append(measure(variant))
    return results


def ratios(above, below):
    """Of what was measured in the same round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def shown(samples, form="{:.2f}"):
    """The median and, in brackets, the least and the greatest."""
    least, greatest = form.format(min(samples)), form.format(max(samples))
    middle = form.format(median(samples))
    return middle if least == greatest else f"{middle} ({least}..{greatest})"
