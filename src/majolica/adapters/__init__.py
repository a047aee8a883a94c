"""Files of adapters: properties that a trained model was taught afterwards."""
