"""`kernelsnap review`: reading pending goldens one group after the other, and deciding about them."""
