"""The loop: embed, browse, ask, learn the policy, refresh the model, repeat."""
