"""The models that go by name, for those who have none of their own; each is small and trains on a CPU.

    model            inputs                                                outputs                    file
    mlp              numbers [N, …]                                        [N, C]                     mlp.py
    cnn              images [N, C, H, W] or [N, H, W]                      [N, C]                     cnn.py
    mean_embedding   ids [N, L]                                            [N, C]                     text.py
    text_cnn         ids [N, L]                                            [N, C]                     text.py
    transformer      ids [N, L]                                            [N, C]                     transformer.py
    causal_lm        ids [N, L]                                            [N, L, V]                  transformer.py
    tabular          numbers [N, F] and categories [N, K], by name         [N, C]                     tabular.py
    autoencoder      numbers [N, …]                                        the shape of the inputs    autoencoder.py

`building.py` makes one that fits the prepared examples; `layers.py` holds what several have in common. The number of ids is
that of the vocabulary (`Prepared.vocabularies`): id 0 is padding and has no influence on any output, id 1 stands for what
the training rows did not hold.
"""
