"""Run exported models: engines, sessions and the pose estimator. No torch here."""
