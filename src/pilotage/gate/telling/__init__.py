"""What people are told, in which words, through which channel, at least once."""
