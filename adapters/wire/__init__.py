"""What ways in and ways out share: SOAP envelopes, MTOM, the `ob:` objects, AMQP connections, what a kind is."""
