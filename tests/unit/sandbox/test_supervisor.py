from sandbox.supervisor import Backoff


def test_each_early_death_doubles_the_pause_up_to_ten_seconds() -> None:
    backoff = Backoff()

    pauses = [backoff.after(seconds_alive=1) for _ in range(8)]

    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_a_minute_of_life_is_forgiven() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(seconds_alive=1)

    assert backoff.after(seconds_alive=61) == 0.2
