"""Models on this machine or on the hub: where they lie, how they are fetched, what their files say."""
