"""Where jobs run: gangway, deck and artifacts behind one port, and the drivers that stand in for them."""
