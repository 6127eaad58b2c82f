"""`python -m blemish`, also for `accelerate launch -m blemish`."""

from blemish.cli import main

main()
