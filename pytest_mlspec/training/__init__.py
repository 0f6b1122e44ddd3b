"""The training core: a loop over batches that can be stopped, saved, restored and continued bit for bit.

    device.py       which device, and why            seeding.py      random states: set, derived, saved
    batches.py      rows -> batches, in an order that is a function of (seed, epoch)
    losses.py       losses by name                   optim.py        optimisers by name
    schedule.py     learning rates by name           early_stop.py   when to stop, and the best weights
    step.py         ONE optimiser step: the code that the loop and every probe call
    update.py       its second half, from the gradients to the new parameters
    loop.py         the steps in order               history.py      what every step left behind
    evaluation.py   outputs and losses, in evaluation mode
    state.py        everything that changes while a model trains
    weights.py      tensors in files, digests        checkpoint.py   a State in a folder

It knows no spec file, no check and no pytest. What cannot be trained raises `TrainingError`.
"""
