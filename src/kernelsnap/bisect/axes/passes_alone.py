"""Whether the decision that the axis "passes" found changes the answer by itself, or only together with others.

The n-th decision was found with all later ones refused. Refused alone, with every other free, it may still change the
answer: then it decides. Or others take its place, such as another fusion of the same nodes: then delta debugging finds
a minimal set among the first n decisions that gives the answer when all others are refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernelsnap.bisect.axes.ddmin import minimize
from kernelsnap.bisect.axes.decisions import Cut, Decision, decision_name
from kernelsnap.bisect.axes.passes_compile import Compile
from kernelsnap.bisect.outcome import AxisStep
from kernelsnap.bisect.search import Answer
from kernelsnap.bisect.session import CaseSession
from kernelsnap.shared.wording import first_few

_MOST_REPLACEMENTS = 10


def alone(
    subsystem: str, decisions: Sequence[Decision], new: Answer, compiled: Compile, session: CaseSession
) -> tuple[str, ...]:
    """What the last of these decisions does by itself, in words.

    Args:
        subsystem: whose decisions they are.
        decisions: those up to the one with which the answer changes.
        new: the answer with it, which is also that of the whole compile.
        compiled: the compile that is searched.
        session: asks the steps.
    """
    name = decision_name(subsystem, len(decisions))
    if session.limit_left() == 0:
        return (f"Whether {name} decides alone was not asked: the limit ended the search.",)
    step = AxisStep(f"all but {name}", Cut(subsystem, refused=(decisions[-1].key,)).key)
    answer = session.ask(step)
    if answer is Answer.UNKNOWN:
        return (f"Refused alone, it gives no answer: {session.reason(step)}.",)
    others = f"every other {decision_name(subsystem)}"
    if answer is not new:
        return (f"It decides alone: without it, and with {others} free, the answer is {answer}.",)
    instead = "; ".join(first_few([one.words for one in compiled.instead(step, subsystem)], _MOST_REPLACEMENTS))
    because = f"others take its place ({instead})" if instead else "others have the same effect"
    return (
        f"It does not decide alone: without it, and with {others} free, the answer stays {answer}: {because}.",
        _together(subsystem, decisions, new, session),
    )


def _together(subsystem: str, decisions: Sequence[Decision], new: Answer, session: CaseSession) -> str:
    """A minimal set of the decisions that gives the answer, in words."""

    def ask(members: frozenset[int]) -> Answer:
        allowed = tuple(decisions[member].key for member in sorted(members))
        numbers = ", ".join(str(member + 1) for member in sorted(members))
        name = f"only {decision_name(subsystem)} {numbers}"
        return session.ask(AxisStep(name, Cut(subsystem, allowed=allowed).key))

    found = minimize(len(decisions), ask, session.limit_left(), new=new)
    sure = "A minimal set" if found.complete and not found.unsure else "The smallest set that was found"
    members = [f"- {decision_name(subsystem, member + 1)}: {decisions[member].words}" for member in found.members]
    return "\n".join([f"{sure} with which the answer is {new} when every other is refused:", "", *members])
