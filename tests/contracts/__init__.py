"""What others build on, generated from the code and committed: schemas, samples, AsyncAPI, OpenAPI, topics."""
