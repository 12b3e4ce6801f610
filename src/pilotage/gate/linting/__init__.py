"""What is wrong with a Gate, with what is applied of it, or with its neighbours: rules with stable codes."""
