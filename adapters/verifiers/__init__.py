"""Other people's verifiers of signatures, behind `broker.second_opinion.SecondVerifier`."""
