"""Self checks of the machine: each a pure judgement of a reading, held up and taken down with patience so that none flaps."""
