"""The machine room: who holds the clock, who is signed in, which call was already seen."""
