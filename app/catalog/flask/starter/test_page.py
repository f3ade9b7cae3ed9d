from page import page


def test_the_page_shows_the_count_and_where_it_is_kept() -> None:
    assert "Visit number 7, counted in memory." in page(7, "memory")
