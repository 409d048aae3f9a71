"""How a plan is carried out: batches, the compiled step, epochs, phases."""
