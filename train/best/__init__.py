"""The recipe `best`: ImageNet's EfficientNet-Lite0 on nine parts of the face, its upper blocks tuned to drawn ones."""
