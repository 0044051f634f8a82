"""Why two goldens differ: named causes, each with its evidence. One entry in one table, one small function each."""
