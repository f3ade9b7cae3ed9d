"""`python manage.py test`"""

from django.test import TestCase


class HomeTest(TestCase):
    def test_visits_are_counted(self) -> None:
        self.assertContains(self.client.get("/"), "Visit number 1,")
        self.assertContains(self.client.get("/"), "Visit number 2,")
