"""Why two goldens differ: causes with their evidence, found by families of finders that `registry.py` lists."""
