namespace App;

/// <summary>What the page says.</summary>
public static class Sentence
{
    public static string Of(long visits, string store) => $"Visit number {visits}, counted in {store}.";
}
