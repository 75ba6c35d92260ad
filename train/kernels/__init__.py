"""What a training on a CPU spends its time on, as machine code: changing pictures, and a convolution with its pooling.

Every kernel here has a plain counterpart in torch, which CUDA, evaluation and exports use; both agree but for rounding.
"""
