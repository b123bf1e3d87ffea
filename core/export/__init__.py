"""A finished run out into other programs' formats: ONNX, torch.export, PEFT; checked against the run."""
