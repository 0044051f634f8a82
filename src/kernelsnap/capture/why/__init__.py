"""Why the code of a graph is as it is: listens to Inductor's decisions, and puts their reasons to kernels."""
