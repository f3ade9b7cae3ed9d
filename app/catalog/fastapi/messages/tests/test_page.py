from src.page import page


def test_the_page_shows_the_count_and_where_it_is_kept() -> None:
    assert "Visit number 7, counted in memory." in page(7, "memory", 3, "a broker")


def test_the_page_shows_what_was_received_and_sends_more() -> None:
    html = page(7, "memory", 3, "a broker")
    assert "Messages received from a broker: 3." in html
    assert '<form method="post" action="/messages">' in html
