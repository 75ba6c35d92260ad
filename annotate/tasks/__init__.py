"""What is asked: crops, sheets and frames as tasks of Label Studio, and the interface that shows them."""
