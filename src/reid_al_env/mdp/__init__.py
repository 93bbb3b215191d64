"""The Markov decision process of the paper: graph, episode, reward, pool, metric and inquiry."""
