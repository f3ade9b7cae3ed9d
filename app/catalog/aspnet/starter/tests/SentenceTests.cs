using App;
using Xunit;

public class SentenceTests
{
    [Fact]
    public void ItShowsTheCountAndWhereItIsKept() =>
        Assert.Equal("Visit number 7, counted in memory.", Sentence.Of(7, "memory"));
}
