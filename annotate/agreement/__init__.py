"""How far annotators agree, whom to trust how far, and what they say together. Pure: labels in, figures out."""
