"""The training core: a loop over batches that can be stopped, saved, restored and continued bit for bit.

    device.py       which device, and why            seeding.py      random states: set, derived, saved
    batches.py      rows -> batches, in an order that is a function of (seed, epoch)
    loader.py       rows made on demand, in worker processes; worker_signals.py  when their end is told
    augment.py      images changed at random
    losses.py       losses by name, focal.py         optim.py        optimisers by name
    parameters.py   what learns, and in which group
    schedule.py     learning rates by name           early_stop.py   when to stop, and the best weights
    step.py         ONE optimiser step: the code that the loop and every probe call
    update.py       its second half, from the gradients to the new parameters; fused.py its kernels, called directly
    loop.py         the steps in order               history.py      what every step left behind
    evaluation.py   outputs and losses, in evaluation mode
    state.py        everything that changes while a model trains
    weights.py      tensors in files, digests        checkpoint.py   a State in a folder; rotation.py which of them stay
    ema.py          the average of the weights       precision.py    fp16 and its scaler
    compilation.py  torch.compile for steps          determinism.py  torch's deterministic algorithms
    nonfinite.py    the layer of a NaN               memory.py       out of memory: smaller micro-batches
    stacked.py      several seeds of a small network trained at once; stacking.py  which, and as what
    sample.py       one step looked at closely       instruments.py  memory and utilisation;  profiling.py  a whole trace
    resident.py     memory as the system counts it

It knows no spec file, no check and no pytest. What cannot be trained raises `TrainingError`.
"""
