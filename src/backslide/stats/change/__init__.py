"""Change of a metric and of its noise: days as units, resampling, change points and sequential tests."""
