"""The recipe `best`: ImageNet features of the face and its halves, and what is known of drawn expressions."""
