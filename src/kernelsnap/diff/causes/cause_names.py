"""The names of everything that a cause of a change can be: causes, kinds of findings within one, phases of the search.

Decisions are made on these, never on the text of evidence, so that a report can be reworded and no cause changes.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto


class CauseName(StrEnum):
    """Why generated code changed, in the order in which reports list causes: the most telling one first.

    Where one difference could have two names, reviewers and the classifier take the first.
    """

    GRAPH_BREAKS = "graph-breaks"
    OPERATIONS = "operations"
    SHAPES = "shapes"
    DTYPE = "dtype"
    PARTITIONING = "partitioning"
    ATTENTION = "attention"
    TEMPLATE = "template"
    FUSION_SPLIT = "fusion-split"
    FUSION_MERGE = "fusion-merge"
    OP_MOVED = "op-moved"
    REDUCTION_STRATEGY = "reduction-strategy"
    TILING = "tiling"
    IN_PLACING = "in-placing"
    INDEXING = "indexing"
    MASK = "mask"
    INTRINSIC = "intrinsic"
    CONSTANTS = "constants"
    CACHING = "caching"
    LAUNCH = "launch"
    RESOURCES = "resources"
    HOST = "host"
    RENUMBERING = "renumbering"
    METADATA = "metadata"
    UNKNOWN = "unknown"


class Scope(Enum):
    """What kind of change within a cause, where something else follows from it than from the cause in general."""

    COUNT = auto()  # more or fewer inputs or outputs
    OUTPUT_SHAPE = auto()
    GRADIENTS = auto()  # more or fewer gradients are returned
    TURNED = auto()  # a reduction or scan goes over another dimension
    ACROSS = auto()  # a reduction goes over its inputs in another direction, or the compiler says so
    POINTWISE = auto()  # operations on each element in place of such: kernels need not be divided otherwise for them
    CAST = auto()  # a line of a kernel casts, or no longer
    MOVED_CAST = auto()  # the result of another operation is cast: no tensor has another type by that
    ATTENTION_CODE = auto()  # code or options of an attention kernel, not its tiles or sparsity
    CALL = auto()  # a library call that is new or gone
    INTO_TEMPLATE = auto()  # kernels that a template took in, or gave up
    LIMIT = auto()  # a setting keeps kernels apart, or no longer
    STAGES = auto()  # a reduction in two kernels, or no longer
    IN_PLACING_AT_ALL = auto()  # no kernel writes over what it reads any more, or the first do
    LAYOUT = auto()  # copies into another layout, and padding
    STRIDES = auto()  # inputs or results of library calls have other strides
    INPUT_STRIDES = auto()  # the user's inputs have: that follows from nothing
    BLOCK_ACCESS = auto()  # block pointers or descriptors in place of plain addresses, or no longer
    NEUTRAL = auto()  # a number in place of 1 or 0, with which there is nothing to compute
    NUMBER = auto()  # a number that took another's place, wherever in a kernel
    SETTING = auto()  # what a setting tells the autotuner or the compiler, whatever the kernel does


class Mark(Enum):
    """What the search needs to know of single findings, next to their cause and scope."""

    ATTENTION = auto()  # an attention kernel, or a library's attention, is on one of the sides
    TEMPLATE = auto()  # a Triton template is on one of the sides
    NEW_OPERATION = auto()  # an operation that only the new golden has
    DRAWN = auto()  # the same random numbers are drawn in another way: all follows as from another operation
    CHOSEN = auto()  # more or fewer are chosen, of which the program returns as many: all follows as from another shape
    FORMULA = auto()  # a line has other numbers in another formula
    EXPONENT = auto()  # a power has another exponent
    POWER = auto()  # a line is of a power, or can be


class Phase(Enum):
    """When a finder of causes is asked; `classify` has the phases in order, with what happens between them."""

    PROGRAM = auto()  # the program as a whole: its graphs, kinds of checks
    STRETCH = auto()  # all kernels of a stretch of the program
    RUNNERS = auto()  # what runs an operation, and in which of a program's graphs
    OPERATIONS = auto()  # which operations there are; knows what only runs in another way
    REWRITES = auto()  # operations that torch rewrites into one another
    TENSORS = auto()  # what the program takes and returns
    KERNELS = auto()  # how kernels are cut, iterate and reduce
    CALLS = auto()  # library calls, and what kernels are given
    CODE = auto()  # the code of each kernel that changed; knows what explains the kernel already
    NUMBERS = auto()  # numbers of kernels that were fused in another way
    CHECKS = auto()  # checks of what a part takes
    TYPES = auto()  # the types in which a stretch computes whose kernels are all explained by how it is cut
    HOST = auto()  # the rest of the host code
    AFTER = auto()  # the program as a whole, unless it follows from what was found in its parts
    MACHINE_CODE = auto()  # what Triton makes of kernels that did not change
    UNEXPLAINED = auto()  # what is left to say where nothing was found
