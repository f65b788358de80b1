"""What a kernel detects: in words with evidence, checked on stimuli, and on a picture."""
