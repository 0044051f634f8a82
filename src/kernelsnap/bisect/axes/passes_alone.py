"""Whether a decision changes the answer by itself, or what it changes it with.

The n-th decision was found with all later ones refused. Refused alone, with every other free, it may still change the
answer: then it decides. Or others take its place, such as another fusion of the same nodes: then a minimal set among
the first n is searched that gives the answer when it alone stands, by delta debugging.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernelsnap.bisect.axes.decisions import Cut, Decision
from kernelsnap.bisect.axes.passes_place import Compile
from kernelsnap.bisect.axes.passes_words import listed, name_of, step_name
from kernelsnap.bisect.axis import Step
from kernelsnap.bisect.ddmin import minimize
from kernelsnap.bisect.search import Answer
from kernelsnap.bisect.witness import Witness


def alone(
    subsystem: str,
    decisions: Sequence[Decision],
    new: Answer,
    compiled: Compile,
    witness: Witness,
    limit: int | None,
) -> tuple[str, ...]:
    """What the last of the decisions does by itself, in words.

    Args:
        subsystem: whose decisions they are.
        decisions: those up to the one with which the answer changes.
        new: the answer with it, which is also that of the whole compile.
        compiled: the compile that is searched.
        witness: whom to ask.
        limit: how many steps to ask at most, in all.
    """
    name = step_name(subsystem, len(decisions))
    if limit is not None and len(witness.asked) >= limit:
        return (f"Whether {name} decides alone was not asked: the limit ended the search.",)
    step = Step(f"all but {name}", Cut(subsystem, refused=(decisions[-1].key,)).key)
    answer = witness.ask(step)
    if answer is Answer.UNKNOWN:
        return (f"Refused alone, it says nothing: {witness.reason(step)}.",)
    others = f"every other {name_of(subsystem)}"
    if answer is not new:
        return (f"It decides alone: without it, and with {others} free, the answer is {answer}.",)
    instead = listed(one.words for one in compiled.instead(step, subsystem))
    because = f"others take its place ({instead})" if instead else "others have the same effect"
    return (
        f"It does not decide alone: without it, and with {others} free, the answer stays {answer}: {because}.",
        _together(subsystem, decisions, new, witness, limit),
    )


def _together(subsystem: str, decisions: Sequence[Decision], new: Answer, witness: Witness, limit: int | None) -> str:
    """A minimal set of the decisions that gives the answer, in words."""

    def ask(members: frozenset[int]) -> Answer:
        allowed = tuple(decisions[member].key for member in sorted(members))
        numbers = ", ".join(str(member + 1) for member in sorted(members))
        answer = witness.ask(Step(f"only {name_of(subsystem)} {numbers}", Cut(subsystem, allowed=allowed).key))
        return answer if answer is Answer.UNKNOWN else Answer.YES if answer is new else Answer.NO

    left = None if limit is None else max(limit - len(witness.asked), 0)
    found = minimize(len(decisions), ask, left)
    sure = "A minimal set" if found.complete and not found.unsure else "The smallest set that was found"
    members = [f"- {step_name(subsystem, member + 1)}: {decisions[member].words}" for member in found.members]
    return "\n".join([f"{sure} with which the answer is {new} when every other is refused:", "", *members])
