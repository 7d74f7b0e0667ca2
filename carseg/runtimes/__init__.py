"""Ways to run a network: each a callable from float32 (N, 3, h, w) to float32 logits (N, C, h', w'), numpy in and out."""
