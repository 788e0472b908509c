"""Between a protocol and the journal: who may send how much, what is kept, what is counted."""
