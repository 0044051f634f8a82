"""From when on a change of time is one. Without numpy: reports need it where nothing is estimated."""

#: A ratio of two times that is nearer to 1 than this is no change.
SAME = 1.03
