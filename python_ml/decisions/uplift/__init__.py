"""What an offer changes: experiments with a randomised control, and what they allow to say."""
