"""Attribution: by which factor (torch, Triton, a setting, a commit) a golden changed."""
