"""For all tests: pytest's own tool for running pytest in small projects."""

pytest_plugins = ["pytester"]
