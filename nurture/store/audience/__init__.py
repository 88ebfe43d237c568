"""Who we know: leads, what rules may ask of them, how they came in, who visits."""
