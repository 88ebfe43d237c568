"""The real pipeline on a virtual clock, with a store and a mailbox in memory: stories, simulations, replays."""
