"""What a cause costs: counterfactual repairs, Shapley shares, and the one place that decides what is named."""
