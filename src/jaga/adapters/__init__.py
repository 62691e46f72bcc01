"""Other libraries' interfaces over Jaga's engine, for programs that are already written against them."""
