"""Changes of the world: label shift, covariate shift, concept drift, and labels given by another policy."""
